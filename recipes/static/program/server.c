/* A program that is one executable listens on port 8080.  cc -O2 -static -o server server.c */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
  const int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0 || listen(listener, 64) != 0) return 1;
  for (;;) {
    char request[4096], body[256], answer[512];
    const char* greeting = getenv("GREETING");
    const int connection = accept(listener, NULL, NULL);
    if (connection < 0 || read(connection, request, sizeof request) <= 0) continue;
    const int size = snprintf(body, sizeof body, "{\"greeting\":\"%.100s\"}", greeting != NULL ? greeting : "");
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", size, body);
    if (write(connection, answer, strlen(answer)) < 0) perror("write");
    close(connection);
  }
}
