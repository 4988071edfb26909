"""Runs AMD's machine code, as Triton emits it for gfx942 and gfx950, wave by wave with numpy.

It fails closed: what is not implemented raises Unsupported and is named. Sections are those of AMD's
"AMD Instinct MI300" Instruction Set Architecture (CDNA3) document, and of its CDNA4 successor.
"""
