// What was bought: saves an order as it was sent, and tells the queue, which confirms nothing.
import amqp from 'amqplib'
import express from 'express'
import Joi from 'joi'
import mongoose from 'mongoose'

const { PORT, MONGO_URL, RABBITMQ_URL, QUEUE } = process.env
const app = express()
app.use(express.json())

const Order = mongoose.model('Order', new mongoose.Schema({
  userId: { type: String, required: true },
  items: [{ productId: String, name: String, price: Number, quantity: Number }],
  total: { type: Number, required: true },
  status: { type: String, default: 'pending' },
}, { timestamps: true }))

const shape = Joi.object({
  userId: Joi.string().required(),
  items: Joi.array().min(1).required().items(Joi.object({
    productId: Joi.string().required(),
    name: Joi.string().required(),
    price: Joi.number().min(0).required(),
    quantity: Joi.number().integer().min(1).required(),
  })),
})

const channel = await (await amqp.connect(RABBITMQ_URL)).createChannel()
await channel.assertQueue(QUEUE)

app.get('/health', (req, res) => res.json({ status: 'ok' }))

app.post('/orders', async (req, res) => {
  const { error, value } = shape.validate(req.body)
  if (error) return res.status(400).json({ message: error.message })
  const total = value.items.reduce((sum, item) => sum + item.price * item.quantity, 0)
  const order = await Order.create({ ...value, total })
  const event = { type: 'order_created', orderId: order.id, userId: order.userId, total }
  channel.sendToQueue(QUEUE, Buffer.from(JSON.stringify(event)))
  res.status(201).json(order)
})

app.get('/orders', async (req, res) => {
  res.json(await Order.find({ userId: req.query.userId }).sort({ createdAt: -1 }).limit(20).lean())
})

app.get('/orders/:id', async (req, res) => {
  const order = await Order.findById(req.params.id).lean()
  if (!order) return res.status(404).json({ message: 'Order not found' })
  res.json(order)
})

await mongoose.connect(MONGO_URL)
// Longer than the gateway's connections rest; with Node's five seconds some requests are lost.
app.listen(PORT, '127.0.0.1').keepAliveTimeout = 65_000
