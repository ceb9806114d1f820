[package]
name = "acme_policy"
edition = "v0.11.0"
version = "1.0.0"
description = "What Acme asks of its OCI registries"

[dependencies]
oci_registry = { path = "../../schema" }
