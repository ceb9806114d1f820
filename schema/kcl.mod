[package]
name = "oci_registry"
edition = "v0.11.0"
version = "1.0.0"
description = "Schemas for the whole configuration of an OCI registry: distribution, zot, Harbor or Artifactory"
