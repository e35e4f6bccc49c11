"""Known addresses that rules of the attacker's own turn into others."""

CHAIN = "chain out { type nat hook output priority -100; }"


def enters(of_the_host):
    if of_the_host:
        container_of_the_host()
    else:
        container()


def by_port(dead, live, seconds, of_the_host):
    """Each port of a known address leads to another."""
    enters(of_the_host)
    visit(live[:1], 0, 2)
    pairs = ", ".join(f"{8000 + number} : {address}" for number, address in enumerate(dead))
    tool("nft -f -", f"table ip own {{ {CHAIN}\n}}\nadd rule ip own out dnat to tcp dport map {{ {pairs} }}")
    kept = []
    for number in range(len(dead)):
        made = new_socket(live[0])
        connect(made, live[0], 8000 + number)
        kept.append(made)
    time.sleep(seconds)
    return {"dialled": len(kept)}


def by_rules(dead, live, seconds, of_the_host):
    """A rule for each dial of one known address."""
    enters(of_the_host)
    visit(live[:1], 0, 2)
    tool("nft -f -", f"table ip own {{ {CHAIN}\n}}")
    kept, end = [], time.monotonic() + seconds
    for address in dead:
        tool("nft -f -", f"flush chain ip own out\nadd rule ip own out dnat to {address}")
        made = new_socket(live[0])
        connect(made, live[0])
        kept.append(made)
    time.sleep(max(end - time.monotonic(), 1))
    return {"dialled": len(kept)}


def by_turns(dead, live, seconds, of_the_host):
    """Dials one known address again and again, of which each connection goes to another."""
    enters(of_the_host)
    visit(live[:1], 0, 2)
    lead_in_turn(dead)
    return scan(live[:1] * len(dead), seconds)


def by_forgotten_turns(dead, live, seconds, of_the_host):
    """The same, with connections that are forgotten before the SYN is repeated: each SYN goes to another. Every other one
    goes to the loopback interface, where nothing answers."""
    enters(of_the_host)
    visit(live[:1], 0, 2)
    write("/proc/sys/net/netfilter/nf_conntrack_tcp_timeout_syn_sent", "1")
    lead_in_turn([address for each in dead for address in (each, "127.0.0.1")] + dead[:1])
    tool("nft -f -", 'table ip deaf { chain in { type filter hook input priority 0; iif lo drop; }\n}')
    return scan(live[:1] * len(dead), seconds)


def by_provision(dead, live, seconds, of_the_host):
    """Has all of them turned to a known address, lets none of a second dial leave, and dials them as they are."""
    enters(of_the_host)
    visit(live[:1], 0, 2)
    tool("nft -f -", f"table ip own {{ {CHAIN}\n}}\nadd rule ip own out dnat to {live[0]}")
    answered = sum(error is None for error, _ in visit(dead, 0, 3))
    tool("nft -f -", "delete table ip own\ntable ip own { chain out { type filter hook output priority 0; tcp flags syn reject; }\n}")
    visit(dead, 100, 1)
    tool("nft delete table ip own")
    return scan(dead, seconds) | {"answered": answered}


def lead_in_turn(addresses):
    pairs = ", ".join(f"{number} : {address}" for number, address in enumerate(addresses))
    tool(
        "nft -f -",
        f"table ip own {{ {CHAIN}\n}}\n"
        f"add rule ip own out tcp dport {PORT} dnat to numgen inc mod {len(addresses)} map {{ {pairs} }}",
    )


def use(live, dead, services, each):
    """Dials a service until its backends are known, spends all credit on the dead, and dials services again."""
    first = visit(services[:1] * each, 50, 8)
    kept = [new_socket(address) for address in dead]
    for made, address in zip(kept, dead):
        connect(made, address)
    say({"first": first})
    await_word()
    say({"again": [visit([service] * each, 50, 8) for service in services]})


def answer_locally(port):
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    listener.listen(4096)
    say({"ready": True})
    while True:
        listener.accept()[0].close()
