[package]
name = "top"

[dependencies]
lib = { path = "dep" }
