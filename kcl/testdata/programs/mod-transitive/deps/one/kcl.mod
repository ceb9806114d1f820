[package]
name = "one"

[dependencies]
two-b = { path = "../two" }
