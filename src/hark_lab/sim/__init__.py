"""The world in virtual time: the program's own cores on a simulated network and disk.

Nodes and supernodes here are the machines that production runs (`NodeCore`, `LinkServer`,
`MailboxService`), wired to a virtual clock, to connections with delay that may break, and to
stores that keep only what was committed. Every choice is drawn from one seed, so a run is
repeated by its number: the schedule and all decisions repeat, ciphertext bytes need not.
"""
