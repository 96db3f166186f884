"""`python -m benchmarks`: speed and memory of the job. The other modules here need load traces; each says how it is run."""

from benchmarks.job import main

main()
