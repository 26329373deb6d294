"""Which records go out: the caps, and thinning before anything is decoded.

``pending``    raw records that wait for the tick, bounded;
``share``      how many flows of a device may go now, so that its window keeps the cap and treats all alike;
``window``     an allowance that several share: what quiet seconds of a window left may be used later in it;
``plans``      the cap of a plan, shared fairly by its devices;
``devicecap``  a device's own cap and its share of the plan's;
``thin``       which records stay, uniformly at random;
``rates``      the sample rate that each kept flow carries, so that Σ value × rate stays unbiased;
``spread``     these rates in hundredths, with an exact sum;
``accuracy``   the expected error of what is estimated from kept flows;
``lowres``     low-resolution copies;
``silence``    whether flow has stopped coming in.
"""
