[package]
name = "top"

[dependencies]
one = { path = "lib" }
two = { path = "lib" }
