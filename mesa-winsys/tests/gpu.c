// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * What the GPU does, where MOVGEM_DEBUG does not say otherwise, or llvmpipe: clears,
 * copies, copies to another format. Each is compared, and it is looked at whether
 * the GPU has worked.
 */
#include <GLES3/gl32.h>
#include <dirent.h>
#include <drm_fourcc.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

#define ALL	"gpuclear,gpucopy"
#define NONE	"nogpublit"

/* Where copies begin: they are of all but the last lines and columns. */
#define FROM_X	2
#define FROM_Y	1
#define TO_X	1
#define TO_Y	2
#define SMALLER	4

/* Above what Mesa keeps in memory of the process in any case. */
#define BUFFER	(260 * 1024)
#define FROM_BYTE 12345
#define TO_BYTE	777
#define BYTES	200001

#define CLEARED	0x44332211u

/* Nanoseconds that the GPU has worked for this process; counted once for each
 * descriptor of a file, so it tells only whether it did so at all.
 */
static uint64_t gpu_time(void)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *entry;
	uint64_t sum = 0;

	check(dir);
	while ((entry = readdir(dir))) {
		char line[256];
		uint64_t ns;
		FILE *file;
		int fd;

		fd = openat(dirfd(dir), entry->d_name, O_RDONLY | O_CLOEXEC);
		file = fd < 0 ? NULL : fdopen(fd, "r");
		if (!file)
			continue;
		while (fgets(line, sizeof(line), file)) {
			if (sscanf(line, "drm-engine-soft: %" SCNu64, &ns) == 1)
				sum += ns;
		}
		fclose(file);
	}
	closedir(dir);
	return sum;
}

/* Since it had worked that long. WORD turns it on; with "no" at its front, off. */
static void expect_gpu(const char *word, uint64_t before)
{
	const char *debug = getenv("MOVGEM_DEBUG");
	bool wanted = debug && strstr(debug, word);
	bool used = gpu_time() != before;

	if (!strncmp(word, "no", 2))
		wanted = !wanted;
	if (getenv("GALLIUM_DRIVER"))
		wanted = false;
	if (wanted != used)
		fail("%s: the GPU has %s", word,
		     used ? "worked" : "done nothing");
}

static void expect_pixels(unsigned int width, unsigned int height,
			  const uint32_t *right, const char *what)
{
	uint32_t *pixels = malloc(width * height * 4);

	check(pixels);
	memset(pixels, 0x5a, width * height * 4);
	glReadPixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	check(glGetError() == GL_NO_ERROR);
	for (unsigned int i = 0; i < width * height; i++) {
		if (pixels[i] != right[i])
			fail("%s, %ux%u, at %u, %u: %08x instead of %08x", what,
			     width, height, i % width, i / width, pixels[i],
			     right[i]);
	}
	free(pixels);
}

static void clear(void)
{
	glClearColor(0x11 / 255.0, 0x22 / 255.0, 0x33 / 255.0, 0x44 / 255.0);
	glClear(GL_COLOR_BUFFER_BIT);
}

static void test_clear(struct gl *gl, unsigned int width, unsigned int height,
		       unsigned int seed, uint32_t *right)
{
	GLuint texture = make_texture(width, height, NULL);
	GLuint target = make_target(texture);
	const uint8_t part[4] = { 1, 2, 3, 4 };
	uint64_t before;

	draw_pattern(gl, width, height, seed);
	before = gpu_time();
	clear();
	expect_gpu("gpuclear", before);
	for (unsigned int i = 0; i < width * height; i++)
		right[i] = CLEARED;
	expect_pixels(width, height, right, "a clear");

	/* What is drawn then is drawn over it. */
	clear();
	draw_pattern(gl, width, height, seed + 1);
	expect_pattern(width, height, seed + 1);

	if (strstr((const char *)glGetString(GL_EXTENSIONS),
		   "GL_EXT_clear_texture")) {
		PFNGLCLEARTEXSUBIMAGEEXTPROC clear_part =
			function("glClearTexSubImageEXT");

		before = gpu_time();
		clear_part(texture, 0, FROM_X, FROM_Y, 0, width - SMALLER,
			   height - SMALLER, 1, GL_RGBA, GL_UNSIGNED_BYTE,
			   part);
		check(glGetError() == GL_NO_ERROR);
		expect_gpu("gpuclear", before);
		for (unsigned int i = 0; i < width * height; i++) {
			unsigned int x = i % width - FROM_X;
			unsigned int y = i / width - FROM_Y;

			right[i] = x < width - SMALLER && y < height - SMALLER ?
				0x04030201 :
				pattern_pixel(i % width, i / width, seed + 1);
		}
		expect_pixels(width, height, right, "a clear of a part");
	}
	glDeleteFramebuffers(1, &target);
	glDeleteTextures(1, &texture);
}

static GLuint make_bgra(unsigned int width, unsigned int height)
{
	GLuint texture;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	glTexImage2D(GL_TEXTURE_2D, 0, GL_BGRA_EXT, width, height, 0,
		     GL_BGRA_EXT, GL_UNSIGNED_BYTE, NULL);
	check(glGetError() == GL_NO_ERROR);
	return texture;
}

/* A part of the seed's picture to a part of a texture that has been cleared. */
static void blit(GLuint from, GLuint texture, const char *word,
		 unsigned int width, unsigned int height, unsigned int seed,
		 uint32_t *right)
{
	GLuint source = make_target(from);
	GLuint target = make_target(texture);
	uint64_t before;

	clear();
	glBindFramebuffer(GL_READ_FRAMEBUFFER, source);
	/* That of the clear has ended now. */
	glFinish();
	before = gpu_time();
	glBlitFramebuffer(FROM_X, FROM_Y, FROM_X + width - SMALLER,
			  FROM_Y + height - SMALLER, TO_X, TO_Y,
			  TO_X + width - SMALLER, TO_Y + height - SMALLER,
			  GL_COLOR_BUFFER_BIT, GL_NEAREST);
	check(glGetError() == GL_NO_ERROR);
	expect_gpu(word, before);

	for (unsigned int i = 0; i < width * height; i++) {
		unsigned int x = i % width - TO_X, y = i / width - TO_Y;

		right[i] = x < width - SMALLER && y < height - SMALLER ?
			pattern_pixel(x + FROM_X, y + FROM_Y, seed) : CLEARED;
	}
	glBindFramebuffer(GL_FRAMEBUFFER, target);
	expect_pixels(width, height, right, word);
	glDeleteFramebuffers(1, &source);
	glDeleteFramebuffers(1, &target);
}

/* From an image without alpha, which is 255 then, as in the seed's picture. */
static void blit_without_alpha(struct gl *gl, bool blue_first,
			       unsigned int width, unsigned int height,
			       unsigned int seed, uint32_t *right)
{
	const unsigned int stride = (width * 4 + 63) & ~63u;
	GLuint from, texture = make_texture(width, height, NULL);
	struct bo bo;
	int dmabuf = bo_create(&bo, stride * height);

	for (unsigned int i = 0; i < width * height; i++) {
		uint32_t *line = bo.map + i / width * stride;
		uint32_t pixel = pattern_pixel(i % width, i / width, seed);

		if (blue_first)
			pixel = (pixel & 0xff) << 16 | (pixel & 0xff00) |
				(pixel >> 16 & 0xff);
		line[i % width] = (pixel & 0xffffff) | 0x5a000000;
	}
	from = import_texture(gl, dmabuf, width, height, stride,
			      blue_first ? DRM_FORMAT_XRGB8888 :
					   DRM_FORMAT_XBGR8888);
	blit(from, texture, "nogpublit", width, height, seed, right);
	glDeleteTextures(1, &texture);
	glDeleteTextures(1, &from);
	bo_close(&bo);
	close(dmabuf);
}

/* Copies between images want sized formats. */
static GLuint make_levels(unsigned int levels, unsigned int width,
			  unsigned int height)
{
	GLuint texture;

	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_2D, texture);
	glTexStorage2D(GL_TEXTURE_2D, levels, GL_RGBA8, width, height);
	check(glGetError() == GL_NO_ERROR);
	return texture;
}

/* To a level of a texture that is not the first. */
static void copy_to_level(struct gl *gl, unsigned int width,
			  unsigned int height, unsigned int seed)
{
	GLuint from = make_levels(1, width, height);
	GLuint to = make_levels(2, width * 2, height * 2);
	GLuint source = make_target(from), target;
	uint64_t before;

	draw_pattern(gl, width, height, seed);
	before = gpu_time();
	glCopyImageSubData(from, GL_TEXTURE_2D, 0, 0, 0, 0, to, GL_TEXTURE_2D,
			   1, 0, 0, 0, width, height, 1);
	check(glGetError() == GL_NO_ERROR);
	expect_gpu("gpucopy", before);

	glGenFramebuffers(1, &target);
	glBindFramebuffer(GL_FRAMEBUFFER, target);
	glFramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0,
			       GL_TEXTURE_2D, to, 1);
	expect_pattern(width, height, seed);
	glDeleteFramebuffers(1, &source);
	glDeleteFramebuffers(1, &target);
	glDeleteTextures(1, &from);
	glDeleteTextures(1, &to);
}

static void make_buffers(GLuint buffers[2], const void *from, size_t size)
{
	glGenBuffers(2, buffers);
	glBindBuffer(GL_COPY_READ_BUFFER, buffers[0]);
	glBindBuffer(GL_COPY_WRITE_BUFFER, buffers[1]);
	glBufferData(GL_COPY_READ_BUFFER, size, from, GL_STATIC_DRAW);
	glBufferData(GL_COPY_WRITE_BUFFER, size, NULL, GL_STATIC_DRAW);
}

static void copy_buffer(unsigned int seed)
{
	uint8_t *from = malloc(BUFFER);
	const uint8_t *to;
	GLuint buffers[2];
	uint64_t before;

	fill_words(from, BUFFER, seed);
	make_buffers(buffers, from, BUFFER);
	before = gpu_time();
	glCopyBufferSubData(GL_COPY_READ_BUFFER, GL_COPY_WRITE_BUFFER,
			    FROM_BYTE, TO_BYTE, BYTES);
	expect_gpu("gpucopy", before);
	to = glMapBufferRange(GL_COPY_WRITE_BUFFER, TO_BYTE, BYTES,
			      GL_MAP_READ_BIT);
	check(to && glGetError() == GL_NO_ERROR);
	for (int i = 0; i < BYTES; i++) {
		if (to[i] != from[FROM_BYTE + i])
			fail("a copy of a buffer, at byte %d: %02x instead of "
			     "%02x", i, to[i], from[FROM_BYTE + i]);
	}
	glUnmapBuffer(GL_COPY_WRITE_BUFFER);
	glDeleteBuffers(2, buffers);
	free(from);
}

void gpu_work(struct gl *gl, unsigned int width, unsigned int height,
	      unsigned int seed)
{
	uint32_t *right = malloc(width * height * 4);
	GLuint from, target, texture;
	int major, minor;

	check(sscanf((const char *)glGetString(GL_VERSION), "OpenGL ES %d.%d",
		     &major, &minor) == 2);
	check(right && width > SMALLER && height > SMALLER);
	test_clear(gl, width, height, seed, right);

	from = make_texture(width, height, NULL);
	target = make_target(from);
	draw_pattern(gl, width, height, seed);
	glDeleteFramebuffers(1, &target);
	texture = make_texture(width, height, NULL);
	blit(from, texture, "gpucopy", width, height, seed, right);
	glDeleteTextures(1, &texture);
	texture = make_bgra(width, height);
	blit(from, texture, "nogpublit", width, height, seed, right);
	glDeleteTextures(1, &texture);
	glDeleteTextures(1, &from);
	/* softpipe's images are not in BOs. */
	if (!getenv("GALLIUM_DRIVER")) {
		blit_without_alpha(gl, true, width, height, seed, right);
		blit_without_alpha(gl, false, width, height, seed, right);
	}

	/* softpipe has less. */
	if (major == 3 && minor >= 2)
		copy_to_level(gl, width, height, seed);
	else
		check(getenv("GALLIUM_DRIVER"));
	copy_buffer(seed);
	free(right);
}

/* Each word by itself, all, and none, while all that is used is moved. */
void test_gpu(void)
{
	static const char *const words[] = {
		"", NONE, "gpuclear," NONE, "gpucopy," NONE, ALL,
	};

	for (int i = 0; i < 5; i++) {
		unsigned long start = mover_rounds();
		unsigned int n = 0;
		struct gl gl;

		setenv("MOVGEM_DEBUG", words[i], 1);
		gl_open(&gl, i % 2 ? GBM_RENDER : SURFACELESS);
		/* Lines with and without a gap between them. */
		do {
			gpu_work(&gl, 201, 123, n++);
			gpu_work(&gl, 256, 64, n++);
			gpu_work(&gl, 5, 7, n++);
		} while (mover_rounds() < start + 10);
		gl_close(&gl);
		printf("    \"%s\": %u times\n", words[i], n);
	}
}

/* Milliseconds of each, with the GPU and without. */
static void print_times(const char *words)
{
	const unsigned int size = 1024, times = 20;
	const char *const names[] = {
		"clear", "copy", "copy to BGRA", "copy of a buffer",
	};
	GLuint texture[3], target[3], buffers[2];
	struct gl gl;

	setenv("MOVGEM_DEBUG", words, 1);
	gl_open(&gl, GBM_RENDER);
	for (int i = 0; i < 3; i++) {
		texture[i] = i < 2 ? make_texture(size, size, NULL) :
				     make_bgra(size, size);
		target[i] = make_target(texture[i]);
		draw_pattern(&gl, size, size, i);
	}
	make_buffers(buffers, NULL, size * size * 4);
	for (int what = 0; what < 4; what++) {
		double start = 0;

		/* Pages come, and shaders are compiled, with the first one. */
		for (unsigned int n = 0; n <= times; n++) {
			glBindFramebuffer(GL_READ_FRAMEBUFFER, target[0]);
			glBindFramebuffer(GL_DRAW_FRAMEBUFFER,
					  target[what == 2 ? 2 : 1]);
			if (!what)
				clear();
			else if (what < 3)
				glBlitFramebuffer(0, 0, size, size, 0, 0, size,
						  size, GL_COLOR_BUFFER_BIT,
						  GL_NEAREST);
			else
				glCopyBufferSubData(GL_COPY_READ_BUFFER,
						    GL_COPY_WRITE_BUFFER, 0, 0,
						    size * size * 4);
			glFinish();
			if (!n)
				start = seconds();
		}
		check(glGetError() == GL_NO_ERROR);
		printf("%s, %s: %.2f ms\n", names[what],
		       strcmp(words, NONE) ? "GPU" : "llvmpipe",
		       (seconds() - start) * 1000 / times);
	}
	gl_close(&gl);
}

void gpu_times(void)
{
	for (int round = 0; round < 3; round++) {
		print_times(NONE);
		print_times(ALL);
	}
}
