// SPDX-License-Identifier: MIT
/*
 * Copyright (C) 2026 movgem maintainers
 *
 * Tests of what is shared: with another process, with another driver, between
 * two devices of one file, and fences.
 */
#include <GLES3/gl3.h>
#include <drm_fourcc.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xf86drm.h>

#include "test.h"

#define WIDTH	200
#define HEIGHT	120
#define ROUNDS	20

/* An image that goes to another process, its dma-buf with it. */
struct image {
	uint32_t format;
	uint32_t stride;
	uint32_t seed;
};

/* The first one has its dma-buf with it. */
static void send_image(int socket, const struct image *image, int dmabuf)
{
	send_fds(socket, image, sizeof(*image), &dmabuf, dmabuf >= 0);
}

/* The other process: draws what it gets, and compares it. */
static void importer(int socket)
{
	GLuint texture = 0, target;
	struct image image;
	int dmabuf = -1;
	struct gl gl;

	gl_open(&gl, SURFACELESS);
	target = make_target(make_texture(WIDTH, HEIGHT, NULL));
	while (receive_fds(socket, &image, sizeof(image), &dmabuf,
			   !texture)) {
		if (!texture)
			texture = import_texture(&gl, dmabuf, WIDTH, HEIGHT,
						 image.stride, image.format);
		glBindFramebuffer(GL_FRAMEBUFFER, target);
		draw_copy(&gl, texture, WIDTH, HEIGHT, 5);
		expect_copy(WIDTH, HEIGHT, image.seed, 5);
		check(write(socket, "", 1) == 1);
	}
	check(texture);
	gl_close(&gl);
}

static EGLImageKHR texture_image(struct gl *gl, GLuint texture)
{
	PFNEGLCREATEIMAGEKHRPROC create = function("eglCreateImageKHR");
	EGLImageKHR egl;

	egl = create(gl->dpy, gl->ctx, EGL_GL_TEXTURE_2D_KHR,
		     (EGLClientBuffer)(uintptr_t)texture, NULL);
	if (egl == EGL_NO_IMAGE_KHR)
		fail("eglCreateImage of a texture: 0x%x", eglGetError());
	return egl;
}

static int export_image(struct gl *gl, EGLImageKHR egl, struct image *image)
{
	PFNEGLEXPORTDMABUFIMAGEQUERYMESAPROC query =
		function("eglExportDMABUFImageQueryMESA");
	PFNEGLEXPORTDMABUFIMAGEMESAPROC export =
		function("eglExportDMABUFImageMESA");
	int fourcc, planes, stride, offset, dmabuf;
	EGLuint64KHR modifier;

	check(query(gl->dpy, egl, &fourcc, &planes, &modifier));
	check(planes == 1 && modifier == DRM_FORMAT_MOD_LINEAR);
	check(export(gl->dpy, egl, &dmabuf, &stride, &offset));
	check(dmabuf >= 0 && !offset && stride >= WIDTH * 4);
	image->format = fourcc;
	image->stride = stride;
	return dmabuf;
}

static GLuint export_texture(struct gl *gl, struct image *image, int *dmabuf)
{
	GLuint texture = make_texture(WIDTH, HEIGHT, NULL);

	*dmabuf = export_image(gl, texture_image(gl, texture), image);
	return texture;
}

static void exporter(int socket)
{
	struct image image = {};
	GLuint texture, target;
	struct gl gl;
	struct bo bo;
	uint64_t moved;
	int dmabuf;
	char done;

	gl_open(&gl, SURFACELESS);
	texture = export_texture(&gl, &image, &dmabuf);
	target = make_target(texture);
	bo_open(&bo, dmabuf);
	moved = bo_moved(&bo);

	for (int i = 0; i < ROUNDS || bo_moved(&bo) == moved; i++) {
		image.seed = i * 31;
		glBindFramebuffer(GL_FRAMEBUFFER, target);
		draw_pattern(&gl, WIDTH, HEIGHT, image.seed);
		glFinish();
		send_image(socket, &image, i ? -1 : dmabuf);
		if (read(socket, &done, 1) != 1)
			fail("the importer has ended");
		expect_pattern(WIDTH, HEIGHT, image.seed);
		expect_memory(bo.map, image.stride, image.format, WIDTH, HEIGHT,
			      image.seed);
	}
	printf("    %lu pages moved\n",
	       (unsigned long)(bo_moved(&bo) - moved));
	bo_close(&bo);
	close(dmabuf);
	gl_close(&gl);
}

void test_exported(void)
{
	pid_t process;
	/* Before there are threads of Mesa's. */
	int socket = start_process(importer, &process);

	exporter(socket);
	end_process(socket, process);
}

/* Drawn to and flushed before anybody could know of it, and exported then: the
 * dma-buf has the picture from the first.
 */
static void export_late(unsigned int seed)
{
	PFNEGLDESTROYIMAGEKHRPROC destroy = function("eglDestroyImageKHR");
	struct image image = {};
	EGLImageKHR egl;
	GLuint texture;
	struct gl gl;
	struct bo bo;
	int dmabuf;

	/* Only what is not shared yet is not waited for by each flush. */
	gl_open(&gl, SURFACELESS);
	texture = make_texture(WIDTH, HEIGHT, NULL);
	egl = texture_image(&gl, texture);
	make_target(texture);
	/* Not now the first time, which takes as long as compiling it. */
	draw_heavy(&gl, 1, 1, 0);
	glFinish();

	draw_heavy(&gl, WIDTH, HEIGHT, seed);
	glFlush();
	dmabuf = export_image(&gl, egl, &image);
	bo_open(&bo, dmabuf);
	expect_memory(bo.map, image.stride, image.format, WIDTH, HEIGHT, seed);

	/* It is known now, so each flush waits. */
	draw_heavy(&gl, WIDTH, HEIGHT, seed + 1);
	glFlush();
	expect_memory(bo.map, image.stride, image.format, WIDTH, HEIGHT,
		      seed + 1);
	bo_close(&bo);
	close(dmabuf);
	destroy(gl.dpy, egl);
	gl_close(&gl);
}

void test_export_late(void)
{
	export_late(11);
	/* A texture that becomes a BO only now. */
	setenv("MOVGEM_DEBUG", "notextures", 1);
	export_late(12);
}

static void sync_foreign(int dmabuf, uint64_t flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	check(!ioctl(dmabuf, DMA_BUF_IOCTL_SYNC, &sync));
}

/* An image in memory that is not movgem's: textures of it, and drawing to it. */
void test_foreign(void)
{
	struct dma_heap_allocation_data args = {
		.len = (WIDTH * 4 * HEIGHT + 4095) & ~4095,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = open("/dev/dma_heap/system", O_RDWR | O_CLOEXEC);
	GLuint texture, ours;
	struct gl gl;
	uint32_t *map;
	int dmabuf;

	if (heap < 0)
		fail("/dev/dma_heap/system: %s", strerror(errno));
	check(!ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &args));
	dmabuf = args.fd;
	map = mmap(NULL, args.len, PROT_READ | PROT_WRITE, MAP_SHARED, dmabuf,
		   0);
	check(map != MAP_FAILED);

	sync_foreign(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	for (unsigned int i = 0; i < WIDTH * HEIGHT; i++)
		map[i] = pattern_pixel(i % WIDTH, i / WIDTH, 77);
	sync_foreign(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);

	gl_open(&gl, GBM_RENDER);
	ours = make_target(make_texture(WIDTH, HEIGHT, NULL));
	texture = import_texture(&gl, dmabuf, WIDTH, HEIGHT, WIDTH * 4,
				 DRM_FORMAT_ABGR8888);
	glBindFramebuffer(GL_FRAMEBUFFER, ours);
	draw_copy(&gl, texture, WIDTH, HEIGHT, 9);
	expect_copy(WIDTH, HEIGHT, 77, 9);

	make_target(texture);
	draw_pattern(&gl, WIDTH, HEIGHT, 78);
	glFinish();
	sync_foreign(dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	expect_memory(map, WIDTH * 4, DRM_FORMAT_ABGR8888, WIDTH, HEIGHT, 78);
	sync_foreign(dmabuf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	gl_close(&gl);
}

/* Two devices of one open file: GEM handles are common to both, so that each
 * could close those of the other.
 */
void test_dup(void)
{
	int card = open_card();
	struct gbm_import_fd_data import = {
		.width = WIDTH, .height = HEIGHT,
		.format = GBM_FORMAT_XRGB8888,
	};
	struct gbm_bo *bo, *imported;
	GLuint textures[2];
	struct gl gl[2];
	struct bo kernel;
	int dmabuf, again;

	gl_open_fd(&gl[0], card);
	gl_open_fd(&gl[1], card);
	bo = gbm_bo_create(gl[0].gbm, WIDTH, HEIGHT, GBM_FORMAT_XRGB8888,
			   GBM_BO_USE_RENDERING);
	check(bo);
	dmabuf = gbm_bo_get_fd(bo);
	check(dmabuf >= 0);
	import.fd = dmabuf;
	import.stride = gbm_bo_get_stride(bo);
	imported = gbm_bo_import(gl[1].gbm, GBM_BO_IMPORT_FD, &import,
				 GBM_BO_USE_RENDERING);
	check(imported);
	for (int i = 0; i < 2; i++) {
		gl_current(&gl[i]);
		textures[i] = import_texture(&gl[i], dmabuf, WIDTH, HEIGHT,
					     gbm_bo_get_stride(bo),
					     DRM_FORMAT_XRGB8888);
		make_target(textures[i]);
		draw_pattern(&gl[i], WIDTH, HEIGHT, i);
		expect_pattern(WIDTH, HEIGHT, i);
	}

	gl_current(&gl[0]);
	glDeleteTextures(1, &textures[0]);
	gbm_bo_destroy(bo);
	gl_close(&gl[0]);

	gl_current(&gl[1]);
	expect_pattern(WIDTH, HEIGHT, 1);
	draw_pattern(&gl[1], WIDTH, HEIGHT, 2);
	expect_pattern(WIDTH, HEIGHT, 2);

	/* Its map would live on without the handle; this asks for the latter. */
	again = gbm_bo_get_fd(imported);
	check(again >= 0);
	bo_open(&kernel, again);
	expect_memory(kernel.map, import.stride, DRM_FORMAT_XRGB8888, WIDTH,
		      HEIGHT, 2);
	bo_close(&kernel);
	close(again);
	gbm_bo_destroy(imported);
	close(dmabuf);
	gl_close(&gl[1]);
	close(card);
}

/* A BO that a job has, which ends when what waits for it has long begun. */
struct busy {
	struct bo bo;
	/* The BO as it was, and whether it was drawn to before the end; or NULL. */
	void *before;
	bool drawn;
	volatile bool begins, released;
};

static void *release_later(void *data)
{
	struct busy *busy = data;

	while (!busy->begins)
		usleep(1000);
	usleep(300 * 1000);
	if (busy->before)
		busy->drawn = memcmp(busy->bo.map, busy->before, busy->bo.size);
	busy->released = true;
	release_fence(&busy->bo);
	return NULL;
}

/* A fence comes in that has not signalled: what is drawn behind it waits. */
static void wait_pending(struct gl *gl)
{
	PFNEGLCREATESYNCKHRPROC create = function("eglCreateSyncKHR");
	PFNEGLWAITSYNCKHRPROC wait = function("eglWaitSyncKHR");
	EGLint attributes[] = {
		EGL_SYNC_NATIVE_FENCE_FD_ANDROID, -1, EGL_NONE,
	};
	struct pollfd poller = { .events = POLLIN };
	struct busy busy = { .begins = true };
	int dmabuf = bo_create(&busy.bo, 4 * 4096);
	pthread_t thread;
	EGLSyncKHR sync;

	attributes[1] = pending_fence(&busy.bo);
	poller.fd = dup(attributes[1]);
	sync = create(gl->dpy, EGL_SYNC_NATIVE_FENCE_ANDROID, attributes);
	check(sync != EGL_NO_SYNC_KHR);
	check(!poll(&poller, 1, 0));

	check(!pthread_create(&thread, NULL, release_later, &busy));
	check(wait(gl->dpy, sync, 0));
	draw_pattern(gl, WIDTH, HEIGHT, 1);
	glFinish();
	if (!busy.released)
		fail("nothing waited for the fence that came in");
	check(poll(&poller, 1, 0) == 1);
	check(!pthread_join(thread, NULL));
	expect_pattern(WIDTH, HEIGHT, 1);
	close(poller.fd);
	bo_close(&busy.bo);
	close(dmabuf);
}

/* Nothing here is shared, so no flush waits for the drawing: a fence that goes out does. */
static void wait_for_own(struct gl *gl)
{
	PFNEGLDUPNATIVEFENCEFDANDROIDPROC dup_fence =
		function("eglDupNativeFenceFDANDROID");
	PFNEGLCREATESYNCKHRPROC create = function("eglCreateSyncKHR");
	PFNEGLDESTROYSYNCKHRPROC destroy = function("eglDestroySyncKHR");
	GLuint texture = make_texture(WIDTH, HEIGHT, NULL);
	GLuint target = make_target(texture);
	int waited = 0, rounds;

	for (rounds = 0; waited < 3; rounds++) {
		struct pollfd poller = { .events = POLLIN };
		EGLSyncKHR native;
		GLsync own;

		if (rounds == 100)
			fail("the drawing was always done before the fence");
		draw_heavy(gl, WIDTH, HEIGHT, rounds);
		native = create(gl->dpy, EGL_SYNC_NATIVE_FENCE_ANDROID, NULL);
		check(native != EGL_NO_SYNC_KHR);
		own = glFenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
		waited += glClientWaitSync(own, 0, 0) == GL_TIMEOUT_EXPIRED;
		poller.fd = dup_fence(gl->dpy, native);
		check(poller.fd >= 0);
		check(poll(&poller, 1, -1) == 1 && poller.revents == POLLIN);
		if (glClientWaitSync(own, 0, 0) != GL_ALREADY_SIGNALED)
			fail("a fence went out that did not wait for the drawing");
		glDeleteSync(own);
		check(destroy(gl->dpy, native));
		close(poller.fd);
	}
	glDeleteFramebuffers(1, &target);
	glDeleteTextures(1, &texture);
}

/* A native fence goes out and comes in; when it signals, memory is as drawn. */
void test_fence(void)
{
	PFNEGLCREATESYNCKHRPROC create;
	PFNEGLDUPNATIVEFENCEFDANDROIDPROC dup_fence;
	PFNEGLWAITSYNCKHRPROC wait;
	struct image image = {};
	struct pollfd poller;
	EGLSyncKHR sync;
	struct gl gl;
	struct bo bo;
	int dmabuf;

	gl_open(&gl, GBM_RENDER);
	check(gl_has(&gl, "EGL_ANDROID_native_fence_sync"));
	check(gl_has(&gl, "EGL_KHR_wait_sync"));
	create = function("eglCreateSyncKHR");
	dup_fence = function("eglDupNativeFenceFDANDROID");
	wait = function("eglWaitSyncKHR");

	wait_for_own(&gl);
	make_target(export_texture(&gl, &image, &dmabuf));
	bo_open(&bo, dmabuf);
	for (int i = 0; i < ROUNDS; i++) {
		EGLint attributes[] = {
			EGL_SYNC_NATIVE_FENCE_FD_ANDROID, -1, EGL_NONE,
		};

		draw_pattern(&gl, WIDTH, HEIGHT, i * 17);
		sync = create(gl.dpy, EGL_SYNC_NATIVE_FENCE_ANDROID, NULL);
		check(sync != EGL_NO_SYNC_KHR);
		glFlush();
		poller.fd = dup_fence(gl.dpy, sync);
		check(poller.fd >= 0);
		poller.events = POLLIN;
		check(poll(&poller, 1, -1) == 1 && poller.revents == POLLIN);
		expect_memory(bo.map, image.stride, image.format, WIDTH, HEIGHT,
			      i * 17);

		attributes[1] = poller.fd;
		sync = create(gl.dpy, EGL_SYNC_NATIVE_FENCE_ANDROID,
			      attributes);
		check(sync != EGL_NO_SYNC_KHR);
		check(wait(gl.dpy, sync, 0));
	}
	wait_pending(&gl);
	bo_close(&bo);
	close(dmabuf);
	gl_close(&gl);
}

/* Implicit fences: what is drawn waits for the jobs that have the BO, in a flush, and
 * where the context goes on to draw to something else.
 */
void test_implicit(void)
{
	struct image image = {};
	struct busy busy = {};
	struct pollfd poller = { .events = POLLIN };
	GLuint target, other;
	pthread_t thread;
	struct gl gl;
	int dmabuf;

	gl_open(&gl, GBM_RENDER);
	other = make_target(make_texture(WIDTH, HEIGHT, NULL));
	target = make_target(export_texture(&gl, &image, &dmabuf));
	bo_open(&busy.bo, dmabuf);
	busy.before = malloc(busy.bo.size);
	check(busy.before);
	for (int flush = 0; flush < 2; flush++) {
		glBindFramebuffer(GL_FRAMEBUFFER, target);
		draw_pattern(&gl, WIDTH, HEIGHT, 10 + flush);
		glFinish();
		poller.fd = pending_fence(&busy.bo);
		check(!poll(&poller, 1, 0));
		memcpy(busy.before, busy.bo.map, busy.bo.size);
		busy.released = false;
		busy.begins = false;
		check(!pthread_create(&thread, NULL, release_later, &busy));

		draw_pattern(&gl, WIDTH, HEIGHT, 20 + flush);
		busy.begins = true;
		if (flush) {
			glFlush();
		} else {
			glBindFramebuffer(GL_FRAMEBUFFER, other);
			draw_pattern(&gl, WIDTH, HEIGHT, 30);
		}
		if (!busy.released)
			fail("nothing waited for the job, %s", flush ? "in a flush" :
			     "with another framebuffer");
		check(!pthread_join(thread, NULL));
		close(poller.fd);
		if (busy.drawn)
			fail("it was drawn to while the job had it");
		glFinish();
		expect_memory(busy.bo.map, image.stride, image.format, WIDTH,
			      HEIGHT, 20 + flush);
	}
	free(busy.before);
	bo_close(&busy.bo);
	close(dmabuf);
	gl_close(&gl);
}

/* An image of another driver's, which has a fence in it, and a user of that driver who
 * reads, or writes to, the image before the fence signals. What waits for it has long
 * begun then.
 */
struct vgem_image {
	int vgem;
	struct drm_mode_create_dumb dumb;
	uint32_t *map;
	uint32_t fence;
	/* What is in it, or is going to be. */
	unsigned int seed;
	bool writes, drawn;
	volatile bool signaled;
};

static void *use_and_signal(void *data)
{
	struct vgem_image *image = data;

	usleep(300 * 1000);
	for (unsigned int y = 0; y < HEIGHT; y++) {
		for (unsigned int x = 0; x < WIDTH; x++) {
			uint32_t *at = image->map + y * image->dumb.pitch / 4 + x;
			uint32_t pixel = pattern_pixel(x, y, image->seed);

			if (image->writes)
				*at = pixel;
			else if (*at != pixel)
				image->drawn = true;
		}
	}
	image->signaled = true;
	vgem_signal_fence(image->vgem, image->fence);
	return NULL;
}

static int vgem_image_open(struct vgem_image *image)
{
	int dmabuf;

	image->vgem = open_driver("vgem");
	if (image->vgem < 0)
		fail("vgem is not loaded");
	image->dumb.width = WIDTH;
	image->dumb.height = HEIGHT;
	image->dumb.bpp = 32;
	check(!drmIoctl(image->vgem, DRM_IOCTL_MODE_CREATE_DUMB, &image->dumb));
	check(!drmPrimeHandleToFD(image->vgem, image->dumb.handle,
				  DRM_CLOEXEC | DRM_RDWR, &dmabuf));
	image->map = mmap(NULL, image->dumb.size, PROT_READ | PROT_WRITE,
			  MAP_SHARED, dmabuf, 0);
	check(image->map != MAP_FAILED);
	return dmabuf;
}

/* An image of another driver's is read, and drawn to, after what its fences are of: a
 * context that leaves a framebuffer draws, without a flush.
 */
void test_foreign_fence(void)
{
	struct vgem_image image = {};
	GLuint texture, ours, theirs, other;
	struct gl gl;
	int dmabuf = vgem_image_open(&image);

	gl_open(&gl, GBM_RENDER);
	ours = make_target(make_texture(WIDTH, HEIGHT, NULL));
	other = make_target(make_texture(WIDTH, HEIGHT, NULL));
	texture = import_texture(&gl, dmabuf, WIDTH, HEIGHT, image.dumb.pitch,
				 DRM_FORMAT_ABGR8888);
	theirs = make_target(texture);

	/* First without a fence: shaders are compiled then. */
	for (unsigned int round = 0; round < 6; round++) {
		const bool read = round % 2, fenced = round >= 2;
		pthread_t thread;

		if (fenced) {
			image.writes = read;
			image.seed += read;
			image.signaled = false;
			check(!vgem_attach_fence(image.vgem, image.dumb.handle,
						 &image.fence));
			check(!pthread_create(&thread, NULL, use_and_signal,
					      &image));
		}
		glBindFramebuffer(GL_FRAMEBUFFER, read ? ours : theirs);
		if (read)
			draw_copy(&gl, texture, WIDTH, HEIGHT, round);
		else
			draw_pattern(&gl, WIDTH, HEIGHT, 10 * round);
		glBindFramebuffer(GL_FRAMEBUFFER, other);
		draw_pattern(&gl, WIDTH, HEIGHT, 100);
		if (fenced) {
			if (!image.signaled)
				fail("nothing waited before it was %s",
				     read ? "read" : "drawn to");
			check(!pthread_join(thread, NULL));
			if (image.drawn)
				fail("it was drawn to before the fence");
		}
		glFinish();
		if (read) {
			glBindFramebuffer(GL_FRAMEBUFFER, ours);
			expect_copy(WIDTH, HEIGHT, image.seed, round);
		} else {
			image.seed = 10 * round;
			expect_memory(image.map, image.dumb.pitch,
				      DRM_FORMAT_ABGR8888, WIDTH, HEIGHT,
				      image.seed);
		}
	}
	munmap(image.map, image.dumb.size);
	gl_close(&gl);
	close(dmabuf);
	close(image.vgem);
}

/* Two planes in one dma-buf, sampled as an external texture. */
void test_nv12(void)
{
	PFNEGLCREATEIMAGEKHRPROC create;
	PFNGLEGLIMAGETARGETTEXTURE2DOESPROC target;
	uint8_t pixels[WIDTH * HEIGHT * 4];
	EGLImageKHR image;
	GLuint texture;
	struct gl gl;
	struct bo bo;
	int dmabuf = bo_create(&bo, WIDTH * HEIGHT * 3 / 2);
	const EGLint attributes[] = {
		EGL_WIDTH, WIDTH,
		EGL_HEIGHT, HEIGHT,
		EGL_LINUX_DRM_FOURCC_EXT, DRM_FORMAT_NV12,
		EGL_DMA_BUF_PLANE0_FD_EXT, dmabuf,
		EGL_DMA_BUF_PLANE0_OFFSET_EXT, 0,
		EGL_DMA_BUF_PLANE0_PITCH_EXT, WIDTH,
		EGL_DMA_BUF_PLANE1_FD_EXT, dmabuf,
		EGL_DMA_BUF_PLANE1_OFFSET_EXT, WIDTH * HEIGHT,
		EGL_DMA_BUF_PLANE1_PITCH_EXT, WIDTH,
		EGL_SAMPLE_RANGE_HINT_EXT, EGL_YUV_FULL_RANGE_EXT,
		EGL_NONE,
	};

	/* Grey: neutral chroma, luma that is another one for each pixel. */
	for (unsigned int i = 0; i < WIDTH * HEIGHT; i++)
		((uint8_t *)bo.map)[i] = i % WIDTH + i / WIDTH;
	memset(bo.map + WIDTH * HEIGHT, 128, WIDTH * HEIGHT / 2);

	gl_open(&gl, GBM_RENDER);
	create = function("eglCreateImageKHR");
	target = function("glEGLImageTargetTexture2DOES");
	image = create(gl.dpy, EGL_NO_CONTEXT, EGL_LINUX_DMA_BUF_EXT, NULL,
		       attributes);
	if (image == EGL_NO_IMAGE_KHR)
		fail("eglCreateImage: 0x%x", eglGetError());
	make_target(make_texture(WIDTH, HEIGHT, NULL));
	glGenTextures(1, &texture);
	glBindTexture(GL_TEXTURE_EXTERNAL_OES, texture);
	glTexParameteri(GL_TEXTURE_EXTERNAL_OES, GL_TEXTURE_MIN_FILTER,
			GL_NEAREST);
	glTexParameteri(GL_TEXTURE_EXTERNAL_OES, GL_TEXTURE_MAG_FILTER,
			GL_NEAREST);
	target(GL_TEXTURE_EXTERNAL_OES, image);
	check(glGetError() == GL_NO_ERROR);

	draw_external(&gl, texture, WIDTH, HEIGHT);
	glReadPixels(0, 0, WIDTH, HEIGHT, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
	for (unsigned int i = 0; i < WIDTH * HEIGHT; i++) {
		int luma = (uint8_t)(i % WIDTH + i / WIDTH);

		/* 128 is a little more than no colour. */
		for (int c = 0; c < 3; c++) {
			int is = pixels[i * 4 + c];

			if (is < luma - 3 || is > luma + 3)
				fail("at %u, %u: %u,%u,%u instead of %d",
				     i % WIDTH, i / WIDTH, pixels[i * 4],
				     pixels[i * 4 + 1], pixels[i * 4 + 2],
				     luma);
		}
	}
	bo_close(&bo);
	close(dmabuf);
	gl_close(&gl);
}

/* Checks that what follows Mesa's map of a BO is memory of nobody's, as llvmpipe
 * writes there: its blocks of 4x4 pixels need not end where an image does.
 */
static void expect_slack(uint64_t size, uint64_t slack)
{
	FILE *file = fopen("/proc/self/maps", "r");
	unsigned long start, end, inode, last = 0;
	bool found = false;
	char line[256];

	check(file);
	while (fgets(line, sizeof(line), file)) {
		char access[5];

		check(sscanf(line, "%lx-%lx %4s %*s %*s %lu", &start, &end,
			     access, &inode) == 4);
		if (last) {
			if (start != last || inode || end - start < slack)
				fail("the BO's map is followed by %s", line);
			found = true;
		}
		/* The test has no map of its own of this size. */
		last = access[3] == 's' && end - start == size ? end : 0;
	}
	fclose(file);
	check(found && !last);
}

/* Images of many shapes in one BO: the last line in its last page, with nothing
 * behind it, and those that are to be refused.
 */
void test_shapes(void)
{
	const unsigned int width = 1024, height = 77, stride = width * 4;
	static const struct {
		const char *why;
		unsigned int width, height, stride, offset;
	} bad[] = {
		{ "more lines than there are", 1024, 78, 4096, 0 },
		{ "a line that ends too late", 1024, 77, 4096, 16 },
		{ "a stride that is too small", 1024, 77, 4080, 0 },
		{ "a width that is 4 in 32 bits", 0x40000001, 1, 4, 0 },
		{ "a width that nothing has", 0x10001, 1, 16, 0 },
		{ "a stride that slack is too small for", 16, 1, 1 << 20, 0 },
		{ "a stride that is not aligned", 199, 10, 796, 0 },
		{ "an offset that is not aligned", 199, 10, 800, 4 },
	};
	struct gl gl;
	struct bo bo;
	int dmabuf = bo_create(&bo, stride * height);

	check(bo.size == stride * height);
	memset(bo.map, 0, bo.size);
	bo_close(&bo);

	gl_open(&gl, GBM_RENDER);
	for (unsigned int i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		EGLImageKHR image = import_image(&gl, dmabuf, bad[i].width,
						 bad[i].height, bad[i].stride,
						 bad[i].offset,
						 DRM_FORMAT_ABGR8888);

		if (image != EGL_NO_IMAGE_KHR)
			fail("an image with %s was taken", bad[i].why);
	}

	make_target(import_texture(&gl, dmabuf, width, height, stride,
				   DRM_FORMAT_ABGR8888));
	expect_slack(stride * height, 3 * stride);
	draw_pattern(&gl, width, height, 3);
	expect_pattern(width, height, 3);

	/* A line is 199 pixels and one that is not the image's. */
	make_target(import_texture(&gl, dmabuf, 199, 10, 800,
				   DRM_FORMAT_ABGR8888));
	draw_pattern(&gl, 199, 10, 4);
	expect_pattern(199, 10, 4);
	close(dmabuf);
	gl_close(&gl);
}

/* After glFlush() alone, what was drawn is in memory that others have as well. */
void test_flush(void)
{
	const unsigned int size = 1024;
	struct gl gl;
	struct bo bo;
	int dmabuf = bo_create(&bo, size * size * 4);

	gl_open(&gl, GBM_RENDER);
	make_target(import_texture(&gl, dmabuf, size, size, size * 4,
				   DRM_FORMAT_ABGR8888));
	for (int i = 0; i < 5; i++) {
		draw_pattern(&gl, size, size, i * 23);
		glFlush();
		expect_memory(bo.map, size * 4, DRM_FORMAT_ABGR8888, size, size,
			      i * 23);
	}
	bo_close(&bo);
	close(dmabuf);
	gl_close(&gl);
}
