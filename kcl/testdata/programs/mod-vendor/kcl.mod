[package]
name = "top"

[dependencies]
my-lib = "0.1.0"
other = "2.0"
