[package]
name = "my-lib"

[dependencies]
other = "2.0"
