// Who people are: register and log in.
import bcrypt from 'bcryptjs'
import express from 'express'
import Joi from 'joi'
import jwt from 'jsonwebtoken'
import mongoose from 'mongoose'

const { PORT, MONGO_URL, JWT_SECRET } = process.env
const app = express()
app.use(express.json())

const User = mongoose.model('User', new mongoose.Schema({
  name: { type: String, required: true },
  email: { type: String, required: true, unique: true },
  password: { type: String, required: true },
}, { timestamps: true }))

const credentials = {
  email: Joi.string().email().required(),
  password: Joi.string().min(8).required(),
}
const registration = Joi.object({ name: Joi.string().required(), ...credentials })
const login = Joi.object(credentials)

app.get('/health', (req, res) => res.json({ status: 'ok' }))

app.post('/auth/register', async (req, res) => {
  const { error, value } = registration.validate(req.body)
  if (error) return res.status(400).json({ message: error.message })
  const password = await bcrypt.hash(value.password, 10)
  const user = await User.create({ ...value, password })
  res.status(201).json({ id: user.id, name: user.name, email: user.email })
})

app.post('/auth/login', async (req, res) => {
  const { error, value } = login.validate(req.body)
  if (error) return res.status(400).json({ message: error.message })
  const user = await User.findOne({ email: value.email })
  if (!user || !(await bcrypt.compare(value.password, user.password))) {
    return res.status(401).json({ message: 'Invalid credentials' })
  }
  res.json({ token: jwt.sign({ id: user.id, email: user.email }, JWT_SECRET) })
})

await mongoose.connect(MONGO_URL)
// Longer than the gateway's connections rest; with Node's five seconds some requests are lost.
app.listen(PORT, '127.0.0.1').keepAliveTimeout = 65_000
