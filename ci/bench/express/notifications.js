// Tells people of their orders, which here is a line in the log.
import { serve } from '@hono/node-server'
import amqp from 'amqplib'
import { Hono } from 'hono'

const { PORT, RABBITMQ_URL, QUEUE } = process.env
const app = new Hono()
let sent = 0

const channel = await (await amqp.connect(RABBITMQ_URL)).createChannel()
await channel.assertQueue(QUEUE)
await channel.consume(QUEUE, (message) => {
  const { orderId, userId } = JSON.parse(message.content.toString())
  console.log(`notification to ${userId}: order ${orderId} was received`)
  sent += 1
  channel.ack(message)
})

app.get('/health', (c) => c.json({ status: 'ok' }))
app.get('/notifications', (c) => c.json({ sent }))

serve({ fetch: app.fetch, port: Number(PORT), hostname: '127.0.0.1' })
