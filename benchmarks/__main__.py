"""`python -m benchmarks`: the job's speed, memory, throughput and interleavings, then a year's replay. What needs load traces says how it is run."""

from benchmarks import interleavings, job, replay_speed, throughput

job.main()
throughput.main([])
interleavings.main([])
replay_speed.main()
