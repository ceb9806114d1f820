[package]
name = "one"
