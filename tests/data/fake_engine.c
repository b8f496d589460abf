/* An engine plugin that is none: its table has the version and size given when it is compiled, and when it is loaded
   it leaves a file behind, so that a test sees whether that happened. */
#include <stdio.h>
#include <stdlib.h>

struct Plugin {
  unsigned size, version;
  void *functions[10];
};

static struct Plugin plugin = {SIZE, VERSION, {0}};

const struct Plugin *sleeve_engine_plugin(const void *host) {
  (void)host;
  return &plugin;
}

__attribute__((constructor)) static void loaded(void) {
  const char *path = getenv("FAKE_ENGINE_LOADED");
  FILE *file = path ? fopen(path, "w") : NULL;
  if (file) {
    fclose(file);
  }
}
