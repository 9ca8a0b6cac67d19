"""Doors to other software: what it trained is opened here, what it computes is repeated here."""
