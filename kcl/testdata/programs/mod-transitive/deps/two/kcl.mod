[package]
name = "two-b"
