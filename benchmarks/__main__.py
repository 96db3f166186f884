"""`python -m benchmarks`: the job's speed, memory, throughput and interleavings, a year's replay, the function's package. The others need load traces."""

from benchmarks import interleavings, job, package, replay_speed, throughput

job.main()
throughput.main([])
interleavings.main([])
replay_speed.main()
package.main()
