// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Tests of the movgem driver in Mesa, while all pages of Mesa's BOs are moved
 * without end; every pixel is compared. See run_tests().
 */
#include <drm_fourcc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

/* Textures of odd and even sizes are drawn to and from, all in BOs. */
static void textures(struct gl *gl)
{
	static const struct {
		unsigned int width, height;
	} sizes[] = { { 1, 1 }, { 3, 250 }, { 64, 64 }, { 257, 131 } };

	for (int i = 0; i < 4; i++) {
		unsigned int width = sizes[i].width, height = sizes[i].height;
		uint32_t *data = malloc(width * height * 4);
		GLuint texture[2], target;

		for (unsigned int p = 0; p < width * height; p++)
			data[p] = pattern_pixel(p % width, p / width, i);
		texture[0] = make_texture(width, height, NULL);
		texture[1] = make_texture(width, height, data);
		free(data);

		target = make_target(texture[0]);
		draw_pattern(gl, width, height, 100 + i);
		expect_pattern(width, height, 100 + i);
		draw_copy(gl, texture[1], width, height, 50);
		expect_copy(width, height, i, 50);

		glDeleteFramebuffers(1, &target);
		glDeleteTextures(2, texture);
	}
	gpu_work(gl, 61, 43, 7);
}

/* All faces and levels of a cube, in one BO. */
static void cube(struct gl *gl)
{
	const unsigned int levels = 6, top = 1u << (levels - 1);
	uint32_t *data = malloc(top * top * 4);
	GLuint texture, target;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_CUBE_MAP, texture);
	for (unsigned int i = 0; i < 6 * levels; i++) {
		unsigned int size = top >> i / 6;

		for (unsigned int p = 0; p < size * size; p++)
			data[p] = pattern_pixel(p % size, p / size, i);
		glTexImage2D(GL_TEXTURE_CUBE_MAP_POSITIVE_X + i % 6, i / 6,
			     GL_RGBA, size, size, 0, GL_RGBA, GL_UNSIGNED_BYTE,
			     data);
	}
	free(data);
	glGenFramebuffers(1, &target);
	glBindFramebuffer(GL_FRAMEBUFFER, target);
	check(strstr((const char *)glGetString(GL_EXTENSIONS),
		     "GL_OES_fbo_render_mipmap"));
	for (unsigned int i = 0; i < 6 * levels; i++) {
		glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0,
				       GL_TEXTURE_CUBE_MAP_POSITIVE_X + i % 6,
				       texture, i / 6);
		check(glGetError() == GL_NO_ERROR);
		expect_pattern(top >> i / 6, top >> i / 6, i);
	}
	/* Drawing to one leaves the others alone. */
	draw_pattern(gl, 1, 1, 99);
	expect_pattern(1, 1, 99);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0,
			       GL_TEXTURE_CUBE_MAP_NEGATIVE_Y, texture, 0);
	expect_pattern(top, top, 3);
	glDeleteFramebuffers(1, &target);
	glDeleteTextures(1, &texture);
}

/* A large one is drawn to and from until its pages have moved. */
static void moving_textures(struct gl *gl)
{
	const unsigned int size = 300;
	GLuint texture[2], target[2];
	unsigned long start, moved;
	int i = 0;

	for (int t = 0; t < 2; t++) {
		texture[t] = make_texture(size, size, NULL);
		target[t] = make_target(texture[t]);
	}
	if (mesa_bos(0, size * size * 4) < 2)
		fail("the textures are not in BOs");

	start = mover_rounds();
	moved = mesa_moved(size * size * 4);
	for (; mover_rounds() < start + 20 ||
	     mesa_moved(size * size * 4) <= moved || i < 10; i++) {
		glBindFramebuffer(GL_FRAMEBUFFER, target[0]);
		draw_pattern(gl, size, size, i);
		glBindFramebuffer(GL_FRAMEBUFFER, target[1]);
		draw_copy(gl, texture[0], size, size, i * 3);
		expect_copy(size, size, i, i * 3);
	}
	printf("    %d pictures, %lu rounds of moving, %lu pages moved\n", i,
	       mover_rounds() - start, mesa_moved(size * size * 4) - moved);
}

static void test_surfaceless(void)
{
	struct gl gl;

	gl_open(&gl, SURFACELESS);
	textures(&gl);
	cube(&gl);
	moving_textures(&gl);
	gl_close(&gl);
}

static void test_device(void)
{
	struct gl gl;

	gl_open(&gl, DEVICE);
	textures(&gl);
	moving_textures(&gl);
	gl_close(&gl);
}

/* A GBM buffer by CPU, by GL, and as movgem itself has it. */
static void gbm_buffer(struct gl *gl, uint32_t format, uint32_t usage)
{
	const unsigned int width = 250, height = 130;
	struct gbm_bo *gbm = gbm_bo_create(gl->gbm, width, height, format,
					   usage);
	uint32_t stride;
	uint64_t moved;
	struct bo bo;
	int dmabuf;

	check(gbm);
	check(gbm_bo_get_modifier(gbm) == DRM_FORMAT_MOD_LINEAR);
	check(gbm_bo_get_handle(gbm).u32);
	dmabuf = gbm_bo_get_fd(gbm);
	check(dmabuf >= 0);
	bo_open(&bo, dmabuf);
	moved = bo_moved(&bo);
	make_target(import_texture(gl, dmabuf, width, height,
				   gbm_bo_get_stride(gbm), format));

	for (int i = 0; i < 10 || bo_moved(&bo) == moved; i++) {
		void *map, *transfer = NULL;

		draw_pattern(gl, width, height, i);
		expect_pattern(width, height, i);
		expect_memory(bo.map, gbm_bo_get_stride(gbm), format, width,
			      height, i);
		map = gbm_bo_map(gbm, 0, 0, width, height,
				 GBM_BO_TRANSFER_READ, &stride, &transfer);
		check(map);
		expect_memory(map, stride, format, width, height, i);
		gbm_bo_unmap(gbm, transfer);
	}
	bo_close(&bo);
	close(dmabuf);
	gbm_bo_destroy(gbm);
}

static void gbm_buffers(enum platform platform, uint32_t usage)
{
	static const uint32_t formats[] = {
		GBM_FORMAT_XRGB8888, GBM_FORMAT_ARGB8888, GBM_FORMAT_ABGR8888,
	};
	struct gl gl;

	gl_open(&gl, platform);
	for (int i = 0; i < 3; i++)
		gbm_buffer(&gl, formats[i], usage);
	textures(&gl);
	gl_close(&gl);
}

static void test_gbm_card(void)
{
	gbm_buffers(GBM_CARD, GBM_BO_USE_RENDERING | GBM_BO_USE_SCANOUT);
}

static void test_gbm_render(void)
{
	gbm_buffers(GBM_RENDER, GBM_BO_USE_RENDERING);
}

/* Idle BOs may be taken by the kernel, and what comes after them is right. */
static void test_cache(void)
{
	const unsigned int size = 256;
	unsigned long id = 0;
	GLuint other;
	struct gl gl;

	gl_open(&gl, SURFACELESS);
	other = make_target(make_texture(8, 8, NULL));
	for (int i = 0; i < 3; i++) {
		GLuint texture = make_texture(size, size, NULL), target;
		uint32_t *pixels = malloc(size * size * 4);

		/* A BO of the cache would have the old picture. */
		target = make_target(texture);
		glReadPixels(0, 0, size, size, GL_RGBA, GL_UNSIGNED_BYTE,
			     pixels);
		for (unsigned int p = 0; p < size * size; p++) {
			if (pixels[p])
				fail("pixel %u of a new texture: %08x", p,
				     pixels[p]);
		}
		free(pixels);
		/* In the second round it is that of the first, in the third
		 * that of the second has lost its pages.
		 */
		if (i == 1 && mesa_bo_id(size * size * 4) != id)
			fail("the idle BO was not used again");
		if (i == 2 && mesa_bo_id(size * size * 4) == id)
			fail("a BO that lost its pages was used again");
		id = mesa_bo_id(size * size * 4);
		draw_pattern(&gl, size, size, i);
		expect_pattern(size, size, i);

		/* Mesa lets go of a target when it draws to another one. */
		glDeleteFramebuffers(1, &target);
		glDeleteTextures(1, &texture);
		glBindFramebuffer(GL_FRAMEBUFFER, other);
		draw_pattern(&gl, 8, 8, i);
		expect_pattern(8, 8, i);
		if (!mesa_bos('d', size * size * 4))
			fail("no idle BO in the cache");
		/* Not one whose pages are just being moved: until it is. */
		while (i == 1 && !mesa_bos('p', size * size * 4))
			write_file("/proc/sys/vm/drop_caches", "2");
	}
	gl_close(&gl);
}

static void test_formats(void)
{
	PFNEGLQUERYDMABUFFORMATSEXTPROC formats;
	PFNEGLQUERYDMABUFMODIFIERSEXTPROC modifiers;
	EGLint list[256], count, number;
	bool xrgb = false, nv12 = false;
	EGLuint64KHR modifier;
	EGLBoolean external;
	struct gl gl;

	gl_open(&gl, SURFACELESS);
	formats = function("eglQueryDmaBufFormatsEXT");
	modifiers = function("eglQueryDmaBufModifiersEXT");
	check(formats(gl.dpy, 256, list, &count));
	for (int i = 0; i < count; i++) {
		xrgb |= list[i] == DRM_FORMAT_XRGB8888;
		nv12 |= list[i] == DRM_FORMAT_NV12;
		check(modifiers(gl.dpy, list[i], 1, &modifier, &external,
				&number));
		check(number == 1 && modifier == DRM_FORMAT_MOD_LINEAR);
		if (list[i] == DRM_FORMAT_NV12)
			check(external);
	}
	check(xrgb && nv12);
	gl_close(&gl);
}

static const struct test tests[] = {
	{ "surfaceless", test_surfaceless },
	{ "device", test_device },
	{ "gbm-card", test_gbm_card },
	{ "gbm-render", test_gbm_render },
	{ "usages", test_usages },
	{ "exported", test_exported },
	{ "export-late", test_export_late },
	{ "foreign", test_foreign },
	{ "foreign-fence", test_foreign_fence },
	{ "nv12", test_nv12 },
	{ "shapes", test_shapes },
	{ "flush", test_flush },
	{ "dup", test_dup },
	{ "cache", test_cache },
	{ "fence", test_fence },
	{ "implicit", test_implicit },
	{ "formats", test_formats },
	{ "gpu", test_gpu },
};

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--gpu-times")) {
		gpu_times();
		return 0;
	}
	return run_tests(argc, argv, tests, sizeof(tests) / sizeof(*tests),
			 "label:mesa");
}
