/* A usbredir guest out of Debian's libusbredirparser, the library of QEMU and SPICE: redir-parser PORT COMMAND, the latter a bulk transfer in
 * hexadecimal. Prints a line for each packet that the library takes, and whatever it complains of. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <usbredirparser.h>

enum { CONTROL = 1, OUT, IN, LONG_READ, OTHER };

static struct usbredirparser *parser;
static int line = -1, over;
static uint8_t command[65536];
static int command_length;

static void say_log(void *priv, int level, const char *text) {
  (void)priv;
  if (level <= usbredirparser_warning) printf("complaint %s\n", text);
}

static int read_line(void *priv, uint8_t *data, int count) {
  (void)priv;
  int got = (int)recv(line, data, (size_t)count, MSG_DONTWAIT);
  if (got > 0) return got;
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  over = 1;
  return -1;
}

static int write_line(void *priv, uint8_t *data, int count) {
  (void)priv;
  return (int)write(line, data, (size_t)count);
}

static void say_hello(void *priv, struct usb_redir_hello_header *hello) {
  (void)priv;
  printf("hello %s\n", hello->version);
}

static void say_interfaces(void *priv, struct usb_redir_interface_info_header *info) {
  (void)priv;
  printf("interfaces %u:", info->interface_count);
  for (uint32_t i = 0; i < info->interface_count; i++)
    printf(" %u=%02x/%02x/%02x", info->interface[i], info->interface_class[i], info->interface_subclass[i], info->interface_protocol[i]);
  printf("\n");
}

static void say_endpoints(void *priv, struct usb_redir_ep_info_header *info) {
  (void)priv;
  printf("endpoints");
  for (int i = 0; i < 32; i++)
    if (info->type[i] != usb_redir_type_invalid)
      printf(" %02x=%u/%u", (i & 15) | (i & 16) << 3, info->type[i], info->max_packet_size[i]);
  printf("\n");
}

static void say_connect(void *priv, struct usb_redir_device_connect_header *device) {
  (void)priv;
  printf("connect speed %u %04x:%04x %04x\n", device->speed, device->vendor_id, device->product_id, device->device_version_bcd);
  struct usb_redir_set_configuration_header configuration = { .configuration = 1 };
  usbredirparser_send_set_configuration(parser, OTHER, &configuration);
}

static void send_read(uint64_t id, uint32_t length) {
  struct usb_redir_bulk_packet_header header = { .endpoint = 0x81, .length = (uint16_t)length, .length_high = (uint16_t)(length >> 16) };
  usbredirparser_send_bulk_packet(parser, id, &header, NULL, 0);
}

static void say_configuration(void *priv, uint64_t id, struct usb_redir_configuration_status_header *status) {
  (void)priv;
  printf("configuration %llu status %u value %u\n", (unsigned long long)id, status->status, status->configuration);
  if (id != OTHER) {
    over = 1;
    return;
  }
  struct usb_redir_start_interrupt_receiving_header events = { .endpoint = 0x82 };
  usbredirparser_send_start_interrupt_receiving(parser, OTHER, &events);
  struct usb_redir_control_packet_header control = { .endpoint = 0x80, .request = 6, .requesttype = 0x80, .value = 0x100, .length = 18 };
  usbredirparser_send_control_packet(parser, CONTROL, &control, NULL, 0);
}

static void say_control(void *priv, uint64_t id, struct usb_redir_control_packet_header *header, uint8_t *data, int length) {
  (void)priv;
  printf("control %llu status %u length %u data %d\n", (unsigned long long)id, header->status, header->length, length);
  usbredirparser_free_packet_data(parser, data);
  struct usb_redir_bulk_packet_header out = { .endpoint = 1, .length = (uint16_t)command_length, .length_high = (uint16_t)(command_length >> 16) };
  usbredirparser_send_bulk_packet(parser, OUT, &out, command, command_length);
  send_read(IN, 100000);
}

static void say_bulk(void *priv, uint64_t id, struct usb_redir_bulk_packet_header *header, uint8_t *data, int length) {
  (void)priv;
  uint32_t told = header->length | (uint32_t)header->length_high << 16;
  printf("bulk %llu status %u length %u data %d", (unsigned long long)id, header->status, told, length);
  if (length >= 4) printf(" %.4s", (const char *)data);
  printf("\n");
  usbredirparser_free_packet_data(parser, data);
  if (id == IN) {
    send_read(LONG_READ, 512);
    usbredirparser_send_cancel_data_packet(parser, LONG_READ);
  } else if (id == LONG_READ) usbredirparser_send_get_configuration(parser, OTHER + 1);
}

static void say_receiving(void *priv, uint64_t id, struct usb_redir_interrupt_receiving_status_header *status) {
  (void)priv;
  printf("receiving %llu status %u endpoint %02x\n", (unsigned long long)id, status->status, status->endpoint);
}

static void say_interrupt(void *priv, uint64_t id, struct usb_redir_interrupt_packet_header *header, uint8_t *data, int length) {
  (void)priv;
  (void)id;
  printf("interrupt %02x status %u data %d\n", header->endpoint, header->status, length);
  usbredirparser_free_packet_data(parser, data);
}

static void say_disconnect(void *priv) {
  (void)priv;
  printf("disconnect\n");
}

int main(int count, char **words) {
  if (count != 3) return 2;
  for (const char *hex = words[2]; hex[0] && hex[1] && command_length < (int)sizeof command; hex += 2) {
    const char pair[] = { hex[0], hex[1], 0 };
    command[command_length++] = (uint8_t)strtoul(pair, NULL, 16);
  }
  struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(words[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
  line = socket(AF_INET, SOCK_STREAM, 0);
  if (line < 0 || connect(line, (struct sockaddr *)&at, sizeof at) != 0) return perror("connect"), 1;
  setvbuf(stdout, NULL, _IOLBF, 0);
  parser = usbredirparser_create();
  parser->log_func = say_log;
  parser->read_func = read_line;
  parser->write_func = write_line;
  parser->hello_func = say_hello;
  parser->interface_info_func = say_interfaces;
  parser->ep_info_func = say_endpoints;
  parser->device_connect_func = say_connect;
  parser->device_disconnect_func = say_disconnect;
  parser->configuration_status_func = say_configuration;
  parser->control_packet_func = say_control;
  parser->bulk_packet_func = say_bulk;
  parser->interrupt_receiving_status_func = say_receiving;
  parser->interrupt_packet_func = say_interrupt;
  uint32_t caps[USB_REDIR_CAPS_SIZE] = { 0 };
  static const int able[] = { usb_redir_cap_connect_device_version, usb_redir_cap_filter, usb_redir_cap_device_disconnect_ack,
    usb_redir_cap_ep_info_max_packet_size, usb_redir_cap_64bits_ids, usb_redir_cap_32bits_bulk_length };
  for (size_t i = 0; i < sizeof able / sizeof *able; i++) usbredirparser_caps_set_cap(caps, able[i]);
  usbredirparser_init(parser, "a guest of libusbredirparser", caps, USB_REDIR_CAPS_SIZE, 0);
  while (!over) {
    while (usbredirparser_has_data_to_write(parser)) if (usbredirparser_do_write(parser) < 0) return 1;
    uint8_t next;
    /* Until there is something to read. */
    if (recv(line, &next, 1, MSG_PEEK) <= 0) break;
    if (usbredirparser_do_read(parser) == usbredirparser_read_parse_error) printf("complaint of a packet\n");
  }
  usbredirparser_destroy(parser);
  close(line);
  return over ? 0 : 1;
}
