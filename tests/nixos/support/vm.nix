# A virtual machine that is large enough; containers take what they need.
{ lib, options, ... }:

{
  config = lib.optionalAttrs (options.virtualisation ? memorySize) {
    virtualisation = {
      cores = 2;
      diskSize = 8192;
      memorySize = 6144;
    };
  };
}
