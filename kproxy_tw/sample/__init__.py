"""Which records go out: the cap per device, and thinning before anything is decoded.

``pending``  raw records that wait for the tick, bounded;
``window``   how many flows a device may send now;
``thin``     which ones, uniformly at random;
``rates``    the sample rate that each kept flow carries, so that Σ value × rate stays unbiased.
"""
