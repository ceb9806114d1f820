[package]
name = "top"

[dependencies]
one = { path = "lib" }
