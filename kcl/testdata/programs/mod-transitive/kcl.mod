[package]
name = "top"

[dependencies]
one = { path = "deps/one" }
