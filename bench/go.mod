module github.com/berth-oci/berth/bench

go 1.26.0
