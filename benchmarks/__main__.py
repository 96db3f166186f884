"""`python -m benchmarks`: the job's speed, throughput and interleavings, a year's replay, the function's package. Others say how they are run."""

from benchmarks import interleavings, job, package, replay_speed, throughput

job.main()
throughput.main([])
interleavings.main([])
replay_speed.main()
package.main()
