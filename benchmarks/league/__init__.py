"""The league: policies x loads x startup times, on the product's own simulation.

    python -m benchmarks.league --quick      8 loads, no slow policy
    python -m benchmarks.league              all loads, every policy whose library is installed

`designs/league.md` describes the measures, and how to add a load or a policy.
"""
