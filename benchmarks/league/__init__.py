"""The league: policies x loads x startup times, on the product's own simulation.

    python -m benchmarks.league --quick      8 loads, no slow policy
    python -m benchmarks.league              all loads, every policy whose library is installed

`designs/league.md` describes the measures, and how to add a load or a policy.
"""

import os

# One thread of linear algebra a process: the same sums in every run, and no fight for cores. Here,
# since it must be set before numpy is imported.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
