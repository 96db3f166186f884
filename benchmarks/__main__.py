"""`python -m benchmarks`: speed and memory of the job, then of a year's replay. The other modules here need load traces; each says how it is run."""

from benchmarks import job, replay_speed

job.main()
replay_speed.main()
