"""Small simulations for questions of architecture; times are simulated, so results are the same on every machine.

    queueing   a pool of servers in simpy, beside the formulas of the M/M/c queue
    failure    replicas of which one crashes; what breaker, second try and fallback do for the callers
    usage      a usage log and a price table, both invented, and what they cost
"""
