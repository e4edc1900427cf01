"""What coding programs are written with: arrays of any library, networks as callables, values instead of symbols."""
