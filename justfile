# One line each; `just` alone lists them.

_default:
    @just --list

# Everything tested
test:
    cargo test --workspace

# A whole network on this machine: meet, stop, come back
demo:
    cargo run --release -- demo

# How fast a simulated node gets back, over many seeds
sim:
    cargo run --release -p rejoin-sim -- restart

# How a thousand simulated nodes that know one other each find each other, and what it costs
swarm:
    cargo run --release -p rejoin-sim -- swarm --churn

# Whether lies can flood a simulated node's memory
flood:
    cargo run --release -p rejoin-sim -- flood

# What disks, systems and people do to a memory: whether it keeps its promises; `--quick` for a short form
torture *args:
    cargo run --release -p rejoin --example torture -- {{args}}

# How long the engine and the shelf take
bench:
    cargo bench -p rejoin-core --bench engine
    cargo bench -p rejoin-store

# What the engine costs in instructions, against its budget; needs valgrind
instructions:
    .ci/instructions

# The same work on Rejoin and on other stores of peers, in a workspace of its own; `--max-n 10000` for a short form
rivals *args:
    cargo run --release --manifest-path bench/Cargo.toml -- {{args}}

# Every fuzz target for so many seconds; needs nightly and `cargo install --locked cargo-fuzz`
fuzz seconds="60":
    cargo +nightly fuzz build
    cargo +nightly fuzz list | xargs -P 2 -I '{}' .ci/fuzz '{}' {{seconds}}

# What every change must pass
ci:
    .ci/run

# The documentation, opened
doc:
    cargo doc --workspace --no-deps --open

# Formatted, and every remark of Clippy an error
fmt:
    cargo fmt --all
    cargo clippy --workspace --all-targets -- -D warnings
