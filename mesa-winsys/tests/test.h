/* SPDX-License-Identifier: MIT */
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What the tests of the movgem driver in Mesa share.
 */
#ifndef MOVGEM_MESA_TEST_H
#define MOVGEM_MESA_TEST_H

#include <stdbool.h>
#include <stdint.h>

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES2/gl2.h>
#include <GLES2/gl2ext.h>
#include <gbm.h>

#include "movgem_drm.h"
#include "testlib.h"

/* EGL platforms that a context can be on. */
enum platform {
	GBM_CARD,
	GBM_RENDER,
	SURFACELESS,
	DEVICE,
};

/* A display, with a context that is current. */
struct gl {
	EGLDisplay dpy;
	EGLContext ctx;
	struct gbm_device *gbm;
	int fd;
	GLuint pattern, heavy, copy, external;
};

/* memory.c: movgem's own view of things */

/* A BO by its dma-buf, in a file of the test's own. */
struct bo {
	int fd;
	uint32_t handle;
	uint64_t size;
	void *map;
};

/* Checks that it is a BO of movgem, whose pages move. */
void bo_open(struct bo *bo, int dmabuf);
/* A new one, without Mesa; returns its dma-buf. */
int bo_create(struct bo *bo, uint64_t size);
void bo_close(struct bo *bo);
uint64_t bo_moved(const struct bo *bo);

/* A sync_file that signals when release_fence() is called: that of a job on the
 * GPU, which has this BO for itself, two pages or more.
 */
int pending_fence(struct bo *bo);
void release_fence(struct bo *bo);

/* How many BOs of Mesa's there are with this letter among their flags in
 * debugfs (any, if it is 0), of at least so many bytes.
 */
unsigned int mesa_bos(char flag, uint64_t size);
/* How many of their pages have moved so far. */
unsigned long mesa_moved(uint64_t size);
/* The id of the only one. */
unsigned long mesa_bo_id(uint64_t size);

/* draw.c: pictures */

void gl_open(struct gl *gl, enum platform platform);
/* On a GBM device of this file, which stays the caller's. */
void gl_open_fd(struct gl *gl, int fd);
void gl_current(struct gl *gl);
void gl_close(struct gl *gl);
bool gl_has(struct gl *gl, const char *extension);

void *function(const char *name);

GLuint make_texture(unsigned int width, unsigned int height, const void *data);
GLuint make_target(GLuint texture);

/* The picture that both GPU and CPU can draw: what seed says, in RGBA. */
uint32_t pattern_pixel(unsigned int x, unsigned int y, unsigned int seed);
void draw_pattern(struct gl *gl, unsigned int width, unsigned int height,
		  unsigned int seed);
/* The same picture, with hundreds of times the work. */
void draw_heavy(struct gl *gl, unsigned int width, unsigned int height,
		unsigned int seed);
/* Draws a texture upside down, with add added to each of red, green, blue. */
uint32_t copy_pixel(unsigned int x, unsigned int y, unsigned int height,
		    unsigned int seed, unsigned int add);
void draw_copy(struct gl *gl, GLuint texture, unsigned int width,
	       unsigned int height, unsigned int add);
/* Draws an external texture. */
void draw_external(struct gl *gl, GLuint texture, unsigned int width,
		   unsigned int height);

/* Reads the current target back and compares all of it. */
void expect_pattern(unsigned int width, unsigned int height, unsigned int seed);
void expect_copy(unsigned int width, unsigned int height, unsigned int seed,
		 unsigned int add);
/* The same in memory, where a line is stride bytes, of a DRM format. */
void expect_memory(const void *map, unsigned int stride, uint32_t format,
		   unsigned int width, unsigned int height, unsigned int seed);

/* An image of a dma-buf, or EGL_NO_IMAGE_KHR. */
EGLImageKHR import_image(struct gl *gl, int dmabuf, unsigned int width,
			 unsigned int height, unsigned int stride,
			 unsigned int offset, uint32_t format);
/* One as a texture. */
GLuint import_texture(struct gl *gl, int dmabuf, unsigned int width,
		      unsigned int height, unsigned int stride,
		      uint32_t format);

/* share.c */

void test_exported(void);
void test_export_late(void);
void test_foreign(void);
void test_foreign_fence(void);
void test_dup(void);
void test_fence(void);
void test_implicit(void);
void test_nv12(void);
void test_shapes(void);
void test_flush(void);

/* gpu.c */

/* Clears and copies pictures of this size, 5x5 or more. */
void gpu_work(struct gl *gl, unsigned int width, unsigned int height,
	      unsigned int seed);
void test_gpu(void);
/* Prints how long it takes. */
void gpu_times(void);

/* usage.c */

void test_usages(void);

#endif
