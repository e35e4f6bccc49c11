#!/usr/bin/python3
"""Writes a line for each SYN that leaves by dead0: seconds on the monotonic clock, source port."""
import socket
import struct
import time

ETH_P_IP = 0x0800
capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
capture.bind(("dead0", 0))
while True:
    frame = capture.recv(2048)
    packet = frame[14:]
    if struct.unpack("!H", frame[12:14])[0] != ETH_P_IP or packet[9] != socket.IPPROTO_TCP:
        continue
    segment = packet[(packet[0] & 15) * 4 :]
    if segment[13] & 0x12 == 0x02:
        print(f"{time.monotonic():.3f} {struct.unpack('!H', segment[:2])[0]}", flush=True)
