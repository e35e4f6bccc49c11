"""Attacks on the table of records: more attempts than it has room for."""


def begin(dead, count, port, kept, ended):
    """So many attempts more, kept; counts which errors connect() gave."""
    for number in range(count):
        error = keep(kept, new_socket(dead[0]), dead[number % len(dead)], port + number // len(dead))
        ended[error or "kept"] += 1


def fill(dead, count):
    kept, ended = [], collections.Counter()
    begin(dead, count, PORT, kept, ended)
    say(ended)
    time.sleep(3600)


def fill_from_cgroups(dead, cgroup, cgroups, count):
    """From as many cgroups of its own."""
    kept, ended = [], collections.Counter()
    for number in range(cgroups):
        os.mkdir(f"{cgroup}/{number}")
        write(f"{cgroup}/{number}/cgroup.procs", "0")
        begin(dead, count, 1000 + 100 * number, kept, ended)
    say(ended)
    time.sleep(3600)
