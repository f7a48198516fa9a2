"""Somebody holds a photograph of the right person before the camera, and knows every prompt.

sheet       a print as a plane or bent sheet in space, seen by a camera
moves       what a hand can do to a print, aimed at each action
trial       one challenge against one photograph
album       the photographs
series      many trials, and their totals

The print is moved, tilted, bent, lit and blurred, never edited. Fingers and cut-outs are not
simulated; only trials with real prints can show what they gain.
"""
