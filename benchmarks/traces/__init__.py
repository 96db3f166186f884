"""The loads of the benchmarks, built from the public files that `benchmarks/traces.toml` names."""
