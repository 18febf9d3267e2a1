"""Screens: each lays widgets out and routes their messages. No drawing, no reading of files."""
