# SPDX-License-Identifier: MIT
"""Configuration of the documentation builder Sphinx."""

import torchgeo_vqa

project = 'torchgeo-vqa'
author = 'torchgeo-vqa contributors'
copyright = author
release = torchgeo_vqa.__version__
version = '.'.join(release.split('.')[:2])

# No intersphinx: the build needs no network.
extensions = [
    'myst_nb',
    'sphinx.ext.autodoc',
    'sphinx.ext.napoleon',
    'sphinx.ext.viewcode',
]
exclude_patterns = ['_build']

# The docstrings of the class and of its __init__, which describes the arguments.
autoclass_content = 'both'
autodoc_default_options = {'members': True, 'show-inheritance': True}
autodoc_member_order = 'bysource'
autodoc_typehints = 'description'
autodoc_typehints_description_target = 'documented_params'
napoleon_google_docstring = True
napoleon_numpy_docstring = False

# Notebooks are shown with their stored outputs; the tests run them.
nb_execution_mode = 'off'

myst_enable_extensions = ['colon_fence', 'deflist']
myst_heading_anchors = 3

html_theme = 'pydata_sphinx_theme'
html_title = project
html_static_path = ['_static']
html_show_copyright = False
html_show_sourcelink = False
