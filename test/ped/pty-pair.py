"""Two ptys with a line between them that standard input disturbs: 'noise on', 'noise off', 'cut', 'restore'.

Noise delays a link and does not end it: of what goes one way, two pieces in a row are damaged at most. A link ends after five words that
do not arrive, which chance alone would bring about now and then.

Prints the paths of the two ends first, then 'ok' for each order. Ends when standard input does.
"""
import os
import pty
import random
import select
import sys
import tty

random.seed(7)
ends = []
for _ in range(2):
    master, slave = pty.openpty()
    # The slave stays open here, so that the line does not hang up when a program leaves it.
    tty.setraw(slave)
    ends.append((master, slave))
print(os.ttyname(ends[0][1]), os.ttyname(ends[1][1]), flush=True)

masters = [ends[0][0], ends[1][0]]
noisy = cut = False
damaged = [0, 0]
while True:
    ready, _, _ = select.select(masters + [0], [], [])
    if 0 in ready:
        order = sys.stdin.readline().strip()
        if order == "":
            break
        noisy = order == "noise on" or (noisy and order != "noise off")
        cut = order == "cut" or (cut and order != "restore")
        print("ok", flush=True)
    for way, (here, there) in enumerate((masters, masters[::-1])):
        if here not in ready:
            continue
        data = bytearray(os.read(here, 4096))
        if cut:
            continue
        if noisy:
            damaged[way] = damaged[way] + 1 if damaged[way] < 2 and random.random() < 0.2 else 0
            if damaged[way]:
                data[random.randrange(len(data))] ^= 1 << random.randrange(8)
            if random.random() < 0.3:
                data = bytearray(random.randbytes(random.randrange(1, 40))) + data
        os.write(there, bytes(data))
