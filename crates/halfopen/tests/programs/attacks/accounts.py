"""Attacks by who seems to dial: cgroups, processes."""


def move_to(cgroup):
    write(f"{cgroup}/cgroup.procs", "0")


def move_while_they_wait(dead, seconds, cgroup):
    """From one cgroup of one's own to another and back, all the time."""
    for name in ("one", "other"):
        os.mkdir(f"{cgroup}/{name}")
    kept = []
    for number, address in enumerate(dead):
        move_to(f"{cgroup}/{('one', 'other')[number % 2]}")
        made = new_socket(address)
        connect(made, address)
        kept.append(made)
    moved, start = 0, time.monotonic()
    while time.monotonic() < start + seconds:
        move_to(f"{cgroup}/{('one', 'other')[moved % 2]}")
        moved += 1
    return {"moved": moved}


def a_cgroup_for_each(dead, seconds, cgroup, each):
    """A new cgroup for each so many dials."""
    kept = []
    for number, address in enumerate(dead):
        if number % each == 0:
            os.mkdir(f"{cgroup}/{number}")
            move_to(f"{cgroup}/{number}")
        made = new_socket(address)
        connect(made, address)
        kept.append(made)
    time.sleep(seconds)
    return {"cgroups": len(dead) // each}


def fork_for_each(dead, seconds):
    """A process for each dial, of which some hand it on by ending."""
    children = []
    for number, address in enumerate(dead):
        made = new_socket(address)
        process = os.fork()
        if process == 0:
            connect(made, address)
            if number % 2 == 0:
                os._exit(0)
            time.sleep(seconds)
            os._exit(0)
        children.append((process, made))
    time.sleep(seconds)
    for process, _ in children:
        os.waitpid(process, 0)
    return {"forks": len(children)}


def threads_for_each(dead, seconds):
    kept = []

    def dial(address):
        made = new_socket(address)
        connect(made, address)
        kept.append(made)

    threads = [threading.Thread(target=dial, args=[address]) for address in dead]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    return {"threads": len(threads)}
