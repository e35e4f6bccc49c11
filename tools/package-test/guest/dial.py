#!/usr/bin/python3
"""Dials COUNT dead addresses at once and never lets go: dial COUNT"""
import signal
import socket
import sys

sockets = []
for number in range(int(sys.argv[1])):
    attempt = socket.socket()
    attempt.setblocking(False)
    attempt.connect_ex((f"198.19.{number // 250}.{number % 250 + 1}", 80))
    sockets.append(attempt)
print("dialled", flush=True)
while True:
    signal.pause()
