# SPDX-License-Identifier: MIT
"""Models to compare TGFNet with."""
