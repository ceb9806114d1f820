[package]
name = "lib"
