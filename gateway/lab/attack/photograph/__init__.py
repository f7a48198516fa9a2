"""Somebody holds a photograph of the right person before the camera, and knows every prompt.

sheet       a print as a plane or bent sheet in space, seen by a camera
moves       what a hand can do to a print, aimed at each action
trial       one challenge against one photograph

The print is moved, tilted, bent, lit and blurred, never edited. Fingers and cut-outs are not
simulated: what they gain is left to trials with real prints.
"""
