"""Profiles: what a law, guideline or standard asks for, held against an inspection's lines.

form        what a profile is: a TOML file of lines, each with its source
loading     finds and reads profiles, and follows ``extends``
evaluation  one judgement for each line of a profile, never better than its worst check

The files beside these modules are the profiles that come with the product. They are data: whoever
knows another rule writes another file (``gateway/docs/PROFILES.md``). None of them is legal advice.
"""
