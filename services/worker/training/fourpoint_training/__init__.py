"""How the model of the engine `compact` is made: data, network, training, export.

The service never loads it.
"""
